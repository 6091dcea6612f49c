"""The chart and the image: rendered, compared with what is kept, and asked of a real API server where there is one."""
