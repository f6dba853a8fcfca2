/** Who listens on a TCP port of this machine, read from /proc as `ss -ltnp` does. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A name is told only where we may look: other users' processes have an inode and no name. */
export type PortHolder = { pid?: number; name?: string };

const listening = '0A';
/** Lines read of a table: a machine with more sockets than this has other worries. */
const linesMax = 200_000;

/** Inodes of the sockets that listen on `port`, from the text of /proc/net/tcp or tcp6. */
export function listeningInodes(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes: string[] = [];
  for (const line of table.split('\n', linesMax).slice(1)) {
    const fields = line.trim().split(/\s+/);
    if (fields[3] === listening && fields[1]?.split(':')[1] === wanted && fields[9] !== undefined)
      inodes.push(fields[9]);
  }
  return inodes;
}

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

function holdsAny(pid: string, links: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return links.has(readlinkSync(`/proc/${pid}/fd/${fd}`));
      } catch {
        return false;
      }
    });
  } catch {
    // Another user's process, or one that ended meanwhile.
    return false;
  }
}

/** The holder of a port; undefined when nobody listens there. */
export function portHolder(port: number): PortHolder | undefined {
  const inodes = [...listeningInodes(read('/proc/net/tcp'), port), ...listeningInodes(read('/proc/net/tcp6'), port)];
  if (inodes.length === 0) return undefined;
  const links = new Set(inodes.map((inode) => `socket:[${inode}]`));
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const pid = pids.find((one) => holdsAny(one, links));
  if (pid === undefined) return {};
  const name = read(`/proc/${pid}/comm`).trim();
  return { pid: Number(pid), ...(name !== '' && { name }) };
}

/** `nginx (pid 12)`, or what is known of it. */
export function describeHolder(holder: PortHolder | undefined): string {
  if (holder?.pid === undefined) return "another user's process";
  return `${holder.name ?? 'a process'} (pid ${holder.pid})`;
}
