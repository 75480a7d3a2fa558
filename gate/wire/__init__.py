"""What every surface shares on the wire: answers of the gate's own, and which header fields travel."""
