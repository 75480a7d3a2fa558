"""Sessions, counts, leases, revocations and keys in Redis or Valkey: shared by every gate on one store."""
