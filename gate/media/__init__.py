"""What URLs and manifests say about resources and time. Pure: bytes and text in, values out."""
