"""Streams and stream pools: state that is kept between calls."""
