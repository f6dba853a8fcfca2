/** Commands in the network namespace that a device's process holds without a name. */
import { readdirSync, readlinkSync } from 'node:fs';
import type { DeviceProcess } from './device-process.ts';

/** Descriptor of the tunnel's namespace, or undefined when the device is in the host's. */
function namespaceFd(pid: number): string | undefined {
  const home = readlinkSync(`/proc/${pid}/ns/net`);
  return readdirSync(`/proc/${pid}/fd`).find((fd) => {
    const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
    return target.startsWith('net:') && target !== home;
  });
}

/** Runs `argv` where the tunnel's interface is and gives what it wrote. @throws Error when it fails. */
export async function runInside(device: DeviceProcess, ...argv: readonly string[]): Promise<string> {
  const fd = namespaceFd(device.pid);
  const namespace = fd === undefined ? `/proc/${device.pid}/ns/net` : `/proc/${device.pid}/fd/${fd}`;
  const child = Bun.spawn(['nsenter', `--net=${namespace}`, '--', ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [code, text, error] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${error.trim()}`);
  return text;
}
