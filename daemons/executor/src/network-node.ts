/**
 * Foreign code is never run on a node of the network plane: its controller is somebody else, and so are its keys. A node
 * is seen by what labmand leaves to see, since settings may lie anywhere:
 *
 *  - an interface with its mark (`labmesh:labman`) or its usual name;
 *  - a labmand of this network namespace that holds another one: with isolation `netns` the interface lies in there, and
 *    the namespace has no name by which to look inside;
 *  - its usual admin socket, where somebody answers: one left behind by a crash does not.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';

const interfaceMark = 'labmesh:labman';
const interfaceName = 'labman0';
const programName = 'labmand';

export type NodeSigns = {
  /** Where interfaces stand, one folder each; others are not looked at. */
  netDir: string;
  procDir: string;
  socketPath: string;
};
export const usualSigns: NodeSigns = {
  netDir: '/sys/class/net',
  procDir: '/proc',
  socketPath: '/run/labman/labmand.sock',
};

export class OnNetworkNode extends Error {
  readonly code = 'EXECUTOR_ON_NETWORK_NODE';
  /** In the wrong place: starting it again does not help. */
  readonly exitCode = 8;

  constructor(sign: string) {
    super(
      `EXECUTOR_ON_NETWORK_NODE: this machine is a node of the network plane (${sign}), and foreign code is not run beside ` +
        'one; use another machine for the executor, or stop labmand here',
    );
    this.name = 'OnNetworkNode';
  }
}

const list = (path: string): string[] => {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
};
const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

const link = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
};

/** Marks stand in /sys, which shows the network it was mounted in; /proc has the names of the one we are in. */
function interfaceSign({ netDir, procDir }: NodeSigns): string | undefined {
  const here = [...read(join(procDir, 'self/net/dev')).matchAll(/^\s*([^\s:]+):/gm)].map(([, name = '']) => name);
  const found = [...list(netDir), ...here].find(
    (name) => name === interfaceName || read(join(netDir, name, 'ifalias')).trim() === interfaceMark,
  );
  return found === undefined ? undefined : `interface ${found}`;
}

/** `labmand`, `labmesh labmand`, `bun --flag …/main.ts labmand`. */
const firstWords = 8;

function holdsNamespace(process: string): boolean {
  const own = link(join(process, 'ns/net'));
  const fds = list(join(process, 'fd')).map((fd) => link(join(process, 'fd', fd)));
  return fds.some((to) => to.startsWith('net:[') && to !== own);
}

/** Without root only processes of this user show their descriptors: then the other signs have to do. */
function processSign(procDir: string): string | undefined {
  const here = link(join(procDir, 'self/ns/net'));
  const found = list(procDir).find((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    const folder = join(procDir, pid);
    const words = read(join(folder, 'cmdline')).split('\0').slice(0, firstWords);
    if (!words.some((word) => basename(word) === programName)) return false;
    return link(join(folder, 'ns/net')) === here && holdsNamespace(folder);
  });
  return found === undefined ? undefined : `${programName} holds a tunnel as pid ${found}`;
}

async function socketSign(path: string): Promise<string | undefined> {
  try {
    const socket = await Bun.connect({ unix: path, socket: { data() {} } });
    socket.terminate();
    return `${programName} answers at its socket`;
  } catch {
    return undefined;
  }
}

/** What shows that this machine is a node of the network plane; undefined when nothing does. */
export async function networkNodeSign(signs: NodeSigns = usualSigns): Promise<string | undefined> {
  return interfaceSign(signs) ?? processSign(signs.procDir) ?? (await socketSign(signs.socketPath));
}
