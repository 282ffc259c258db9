package catalogue

// Angles are counted in 4096ths of a turn, sines in 32768ths.
const (
	turn = 4096
	trig = 1 << 15
)

// sines holds the first quarter of a wave in 64 steps.
var sines = [65]int{
	0, 804, 1608, 2411, 3212, 4011, 4808, 5602, 6393, 7180, 7962, 8740, 9512, 10279, 11039, 11793, 12540,
	13279, 14010, 14733, 15447, 16151, 16846, 17531, 18205, 18868, 19520, 20160, 20788, 21403, 22006, 22595, 23170,
	23732, 24279, 24812, 25330, 25833, 26320, 26791, 27246, 27684, 28106, 28511, 28899, 29269, 29622, 29957, 30274,
	30572, 30853, 31114, 31357, 31581, 31786, 31972, 32138, 32286, 32413, 32522, 32610, 32679, 32729, 32758, 32768,
}

// sine is exact to 3 in 32768, by linear interpolation.
func sine(angle int) int {
	a := angle & (turn - 1)
	sign := 1
	if a >= turn/2 {
		a, sign = a-turn/2, -1
	}
	if a > turn/4 {
		a = turn/2 - a
	}
	i, f := a/16, a%16
	if f == 0 {
		return sign * sines[i]
	}
	return sign * (sines[i] + (sines[i+1]-sines[i])*f/16)
}

func cosine(angle int) int { return sine(angle + turn/4) }

// root is the integer square root, rounded down.
func root(n int) int {
	if n <= 0 {
		return 0
	}
	x := 1
	for x*x < n {
		x *= 2
	}
	for {
		y := (x + n/x) / 2
		if y >= x {
			return x
		}
		x = y
	}
}
