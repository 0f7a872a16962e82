"""The bridge for clients that send audio in binary messages, which API Gateway refuses."""
