import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '@labmesh/kit/log';
import { writePrivateFile, writeWholeFile } from '@labmesh/kit/saved-file';
import { fingerprintOf } from '@labmesh/rosenpass/key-prefixes';
import { rpPrivateDirectory, rpPublicDirectory } from '@labmesh/rosenpass/formats/rp-directory';
import { StepPool } from '@labmesh/tunnel/steps/step-pool';
import { generateWireguardKeys } from '@labmesh/tunnel/keys/wireguard-keys';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';

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
    const made = await change(`make keys in ${dir} and ${publicDir}`, async () => {
      note('making keys; the Rosenpass pair takes a second or two');
      await using pool = new StepPool({ workers: 1, keysDir: dir, cacheBytes: 0, log: silentLogger });
      return { rosenpass: await pool.generate(), wireguard: generateWireguardKeys() };
    });
    if (made === undefined) return;
    const { rosenpass, wireguard } = made;
    mkdirSync(dir, { mode: 0o700 });
    mkdirSync(publicDir, { mode: 0o755 });
    const secret = rpPrivateDirectory({
      wireguardPrivateKey: wireguard.privateKey,
      rosenpassSecretKey: rosenpass.secretKey,
      rosenpassPublicKey: rosenpass.publicKey,
    });
    for (const [name, content] of secret) writePrivateFile(join(dir, name), content);
    const open = rpPublicDirectory({
      wireguardPublicKey: wireguard.publicKey,
      rosenpassPublicKey: rosenpass.publicKey,
    });
    for (const [name, content] of open) writeWholeFile(join(publicDir, name), content, 0o644);
    rosenpass.secretKey.fill(0);
    wireguard.privateKey.fill(0);
    const rosenpassSha256 = fingerprintOf(rosenpass.publicKey);
    await result.object({ dir, publicDir, rosenpassSha256 }, `${dir}\n${publicDir}\n${rosenpassSha256}\n`);
  },
});
