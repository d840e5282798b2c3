// Built static and stripped: only its own table of functions names it.
package main

var sink uint64

//go:noinline
func burn(count uint64) {
	for i := uint64(0); i < count; i++ {
		sink += i * i
	}
}

func main() {
	for {
		burn(1000000)
	}
}
