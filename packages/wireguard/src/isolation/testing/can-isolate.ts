import { accessSync, constants } from 'node:fs';

function readable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** For `describe.skipIf(!canIsolate)('… (needs root)')`: namespaces, TUN devices and nf_tables can be made here. */
export const canIsolate = process.platform === 'linux' && process.getuid?.() === 0 && readable('/dev/net/tun');
