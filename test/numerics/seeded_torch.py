"""runtime/Weights/Seeded.h in torch."""


class Seeded:
    """Numbers on the default device: float32 and 64-bit integers, every operation rounded once."""

    def __init__(self, torch, float32):
        self.torch, self.f32 = torch, float32

    def words(self, key, count):
        torch, mask = self.torch, 0xFFFFFFFF
        counter = torch.arange((count + 3) // 4, dtype=torch.int64)
        c = [counter & mask, counter >> 32, torch.zeros_like(counter), torch.zeros_like(counter)]
        k0, k1 = key & mask, key >> 32
        for _ in range(10):
            p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2] # of 64 bits, signed
            c = [(p1 >> 32 & mask) ^ c[1] ^ k0, p1 & mask, (p0 >> 32 & mask) ^ c[3] ^ k1, p0 & mask]
            k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
        return c

    def number(self, value):
        return self.torch.tensor(value, dtype=self.f32)

    def log(self, x):
        torch = self.torch
        bits = x.view(torch.int32) - 0x3F3504F3
        f = ((bits & 0x7FFFFF) + 0x3F3504F3).view(self.f32) - self.number(1)
        p = torch.full_like(f, 7.0376836292e-2)
        for c in (-1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1,
                  -2.4999993993e-1, 3.3333331174e-1):
            p = p * f + self.number(c)
        square, e = f * f, (bits >> 23).to(self.f32)
        tail = p * f * square + e * self.number(-2.12194440e-4) - self.number(0.5) * square
        return f + tail + e * self.number(0.693359375)

    def pair(self, first, second, scale):
        torch, number = self.torch, self.number
        u = ((first >> 8) + 1).to(self.f32) * number(2.0**-24)
        radius = torch.sqrt((number(-2) * self.log(u)).double()).to(self.f32) * number(scale) # in double: some libraries are one off in float
        angle = second >> 8
        quarter = angle >> 22
        x = ((angle & 0x3FFFFF) - 0x200000).to(self.f32) * number(2.0**-22) * number(1.57079632679)
        z = x * x
        s = ((number(-1.9515295891e-4) * z + number(8.3321608736e-3)) * z - number(1.6666654611e-1)) * z * x + x
        c = ((number(2.443315711809948e-5) * z - number(1.388731625493765e-3)) * z + number(4.166664568298827e-2)) * z * z - number(0.5) * z + number(1)
        even, low = quarter % 2 == 0, quarter < 2
        cosine, sine = torch.where(even, c, s), torch.where(even, s, c)
        return radius * torch.where((quarter == 0) | (quarter == 3), cosine, -cosine), radius * torch.where(low, sine, -sine)

    def normal(self, scale, key, count):
        w = self.words(key, count)
        a, b = self.pair(w[0], w[1], scale)
        c, d = self.pair(w[2], w[3], scale)
        return self.torch.stack([a, b, c, d], dim=1).reshape(-1)[:count]
