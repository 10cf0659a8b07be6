"""Training: data in batches, steps, the loop on the device, and what a person sees of it."""
