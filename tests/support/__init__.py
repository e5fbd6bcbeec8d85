"""What tests of several rooms share: synthetic images, and files in the formats of real ones."""
