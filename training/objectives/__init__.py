"""What training minimises or is rewarded by."""
