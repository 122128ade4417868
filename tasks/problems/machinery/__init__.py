"""What all families of procedural problems share: templates, slots, notation and worked steps."""
