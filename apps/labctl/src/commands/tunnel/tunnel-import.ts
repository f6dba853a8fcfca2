import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { parseRosenpassToml } from '@labmesh/rosenpass/formats/rosenpass-toml';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { tunnelPeerView } from '../../output/tunnel-views.ts';
import { clientsInToml } from '../../tunnel/client-files.ts';

/** X1, X2, X7: the peers of the configuration, not its own keys: the hub has its own. */
export const tunnelImport = defineFleetCommand({
  name: 'tunnel import',
  summary:
    'Adds every peer of a configuration of the `rosenpass` program to the hub. Each needs `device` and `peer`, its ' +
    'WireGuard key; its pre_shared_key goes along, sealed at labd. What the hub does not take over is said.',
  usage: 'labctl tunnel import FILE',
  examples: ['labctl tunnel import /etc/rosenpass/rosenpass.toml'],
  options: {},
  positionalsMax: 1,
  async run({ positionals: [file], change, labd, note, result }) {
    if (file === undefined) throw new CommandError('the file is missing', { exitCode: exitCodes.usage });
    const { config, warnings } = parseRosenpassToml(file, readFileSync(file, 'utf8'), homedir());
    for (const warning of warnings) note(warning);
    const { clients, leftOut } = clientsInToml(config, file);
    for (const line of leftOut) note(line);
    if (clients.length === 0) throw new CommandError(`${file}: no peer can be taken over`);
    const added = await change(`add ${clients.map(({ name }) => `tunnel/${name}`).join(', ')}`, async () => {
      const client = await labd();
      const peers = [];
      for (const body of clients) peers.push(await client.call('create-tunnel-peer', { body }));
      return peers;
    });
    if (added !== undefined) await result.list({ items: added, nextCursor: null }, tunnelPeerView);
  },
});
