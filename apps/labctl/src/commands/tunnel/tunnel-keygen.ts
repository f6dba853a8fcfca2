import { existsSync } from 'node:fs';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { makeClientKeys } from '../../tunnel/make-client-keys.ts';

/** The directories of `rp` (X3): what stock programs read, and what `tunnel add` takes. */
export const tunnelKeygen = defineFleetCommand({
  name: 'tunnel keygen',
  summary:
    'Makes the key pairs of a client in two folders: DIR (0700, secret: wgsk, pqsk, pqpk) and DIR.pub (wgpk, pqpk), as ' +
    '`rp` has them. Nodes make their own keys: `labman tunnel keygen`.',
  usage: 'labctl tunnel keygen DIR',
  examples: ['labctl tunnel keygen ./laptop', 'labctl tunnel add laptop ./laptop.pub'],
  options: {},
  positionalsMax: 1,
  async run({ positionals: [dir], change, note, result }) {
    if (dir === undefined) throw new CommandError('the folder is missing', { exitCode: exitCodes.usage });
    const publicDir = `${dir.replace(/\/+$/, '')}.pub`;
    const taken = [dir, publicDir].find((one) => existsSync(one));
    if (taken !== undefined) throw new CommandError(`${taken} is there already`, { exitCode: exitCodes.conflict });
    const rosenpassSha256 = await change(`make keys in ${dir} and ${publicDir}`, () => {
      note('making keys; the Rosenpass pair takes a second or two');
      return makeClientKeys(dir, publicDir);
    });
    if (rosenpassSha256 === undefined) return;
    await result.object({ dir, publicDir, rosenpassSha256 }, `${dir}\n${publicDir}\n${rosenpassSha256}\n`);
  },
});
