"""State kept between calls: streams, and pools of streams that come and go."""
