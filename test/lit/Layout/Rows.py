"""Prints the number of the row in which each trained parameter begins, and where in that row. The standard input is a
module whose buckets have row numbers."""
import re
import sys

text = sys.stdin.read()
buckets = {}
for bucket, parts, numbers in re.findall(
        r"ft\.variable row_numbers @(\w+)\.rows : tensor<(\d+)xi64> .*numbers = array<f64: ([^>]*)>", text):
    elements = int(re.search(rf"@{bucket}\.parameter : tensor<(\d+)x", text).group(1))
    numbers, parts = [float(number) for number in numbers.split(",")], int(parts) // 32
    rows = elements // 1024 // parts
    assert numbers == [numbers[0] + part * rows for part in range(parts) for _ in range(32)], f"{bucket}: {numbers}"
    buckets[bucket] = int(numbers[0]), elements // 1024
taken = sorted(buckets.values())
assert all(first + rows <= behind for (first, rows), (behind, _) in zip(taken, taken[1:])) or len(sys.argv) > 1, taken
for name, bucket, offset in sorted(re.findall(
        r"ft\.variable trainable @(\S+) : .*bucket = @(\w+)\.parameter, offset = (\d+)", text)):
    print(name, buckets[bucket][0] + int(offset) // 1024, int(offset) % 1024)
