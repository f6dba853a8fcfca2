/** Commands in the network namespace that a device's process holds without a name. */
import { readdirSync, readlinkSync } from 'node:fs';
import type { DeviceProcess } from './device-process.ts';

/** Descriptor of the tunnel's namespace, or undefined when the device is in the host's. */
function namespaceFd({ pid, home }: DeviceProcess): string | undefined {
  return readdirSync(`/proc/${pid}/fd`).find((fd) => isAway(`/proc/${pid}/fd/${fd}`, home));
}

function isAway(path: string, home: string): boolean {
  try {
    const target = readlinkSync(path);
    return target.startsWith('net:') && target !== home;
  } catch {
    // Closed in the meantime.
    return false;
  }
}

/** Runs `argv` where the tunnel's interface is and gives what it wrote. @throws Error when it fails. */
export async function runInside(device: DeviceProcess, ...argv: readonly string[]): Promise<string> {
  const fd = namespaceFd(device);
  const namespace = `/proc/${device.pid}/${fd === undefined ? 'ns/net' : `fd/${fd}`}`;
  const child = Bun.spawn(['nsenter', `--net=${namespace}`, '--', ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [code, text, error] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${error.trim()}`);
  return text;
}
