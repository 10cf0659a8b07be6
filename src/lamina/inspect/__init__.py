"""What looks at models from outside."""
