"""What a portal's software calls. No Flask here: a request value goes in, a response value comes out."""
