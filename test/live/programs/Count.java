import java.io.FileWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Busy threads that compute and allocate, idle threads that wait, a timer, a file. */
public class Count {
	public static void main(String[] arguments) throws Exception {
		var output = Path.of(arguments[0], "output");
		var table = new ConcurrentHashMap<Integer, Long>();
		var latch = new CountDownLatch(1);
		var idle = new ArrayList<Thread>();
		for (int i = 0; i < 4; i++) {
			var thread = new Thread(() -> {
				try {
					latch.await();
				} catch (InterruptedException interrupted) {
					throw new IllegalStateException(interrupted);
				}
			});
			thread.start();
			idle.add(thread);
		}
		var ticks = Executors.newScheduledThreadPool(1);
		var counted = new int[1];
		ticks.scheduleAtFixedRate(() -> counted[0]++, 5, 5, TimeUnit.MILLISECONDS);
		var pool = Executors.newFixedThreadPool(3);
		List<Future<Long>> answers = new ArrayList<>();
		System.out.println("READY");
		try (var writer = new FileWriter(output.toFile())) {
			for (int part = 0; part < 60; part++) {
				int seed = part;
				answers.add(pool.submit(() -> {
					long value = seed + 1;
					for (int i = 0; i < 3_000_000; i++) {
						value = value * 6364136223846793005L + 1442695040888963407L;
						if (i % 10_000 == 0)
							table.merge((int) (value >>> 54), value, Long::sum);
					}
					return value;
				}));
			}
			for (int i = 0; i < 100; i++) {
				Thread.sleep(25);
				writer.write(i + "\n");
				writer.flush();
			}
		}
		long sum = 0;
		for (var answer : answers)
			sum = sum * 31 + answer.get();
		long mix = 0;
		for (var value : table.values())
			mix += value;
		latch.countDown();
		for (var thread : idle)
			thread.join();
		pool.shutdown();
		ticks.shutdownNow();
		if (counted[0] < 20)
			throw new IllegalStateException("only " + counted[0] + " ticks");
		System.out.println("RESULT " + sum + " " + mix + " " + Files.readAllLines(output).size());
	}
}
