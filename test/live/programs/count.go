// Goroutines that compute, wait and sleep on many threads, a ticker, a file.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	output, err := os.Create(os.Args[1] + "/output")
	if err != nil {
		panic(err)
	}
	var busy, idle sync.WaitGroup
	var ticks atomic.Int64
	release := make(chan struct{})
	results := make([]uint64, 6)
	for i := 0; i < 20; i++ {
		idle.Add(1)
		go func() { defer idle.Done(); <-release }()
	}
	ticker := time.NewTicker(5 * time.Millisecond)
	go func() {
		for range ticker.C {
			ticks.Add(1)
		}
	}()
	fmt.Println("READY")
	for i := range results {
		i := i // one variable for all turns before Go 1.22
		busy.Add(1)
		go func() {
			defer busy.Done()
			if i%2 == 0 {
				runtime.LockOSThread()
			}
			value := uint64(i + 1)
			kept := map[uint64]uint64{}
			for turn := uint64(0); turn < 40_000_000; turn++ {
				value = value*6364136223846793005 + 1442695040888963407
				if turn%10000 == 0 {
					kept[value>>50] += value
				}
			}
			for key, sum := range kept {
				results[i] += key * sum
			}
			results[i] += value
		}()
	}
	for i := 0; i < 50; i++ {
		time.Sleep(25 * time.Millisecond)
		fmt.Fprintln(output, i)
	}
	busy.Wait()
	close(release)
	idle.Wait()
	var sum uint64
	for _, result := range results {
		sum = sum*31 + result
	}
	if ticks.Load() < 20 {
		panic("the ticker stood still")
	}
	text, _ := os.ReadFile(os.Args[1] + "/output")
	fmt.Println("RESULT", sum, len(text))
	os.Exit(0)
}
