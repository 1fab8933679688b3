"""What runs without a request, one file per job."""
