"""What the cases of aliases stand on."""
