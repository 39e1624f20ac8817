"""What comes in: a request's body to photographs and options, and a code for each way that a body can be wrong."""
