/** Units of work in wall and in CPU time (user + sys of this process, its I/O threads too). */
export type Rate = { perS: number; perCpuS: number };

/** Of a CPU second, which other load on the machine does not change. */
const benchMs = 2000;

/** Runs `work`, which gives the units it did, again and again for a while. */
export async function rate(work: () => Promise<number> | number): Promise<Rate> {
  const warmUntil = performance.now() + benchMs / 4;
  while (performance.now() < warmUntil) await work();
  const [from, cpu] = [performance.now(), process.cpuUsage()];
  let units = 0;
  while (performance.now() - from < benchMs) units += await work();
  const { user, system } = process.cpuUsage(cpu);
  return { perS: (units / (performance.now() - from)) * 1000, perCpuS: (units / (user + system)) * 1e6 };
}
