"""What models learn from: records of data, the shipped sets, and your own arrays."""
