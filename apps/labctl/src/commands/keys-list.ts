import { keyListSchema } from '@labmesh/wire/admin';
import { priorityOfScopes } from '@labmesh/wire/verification/priority';
import { RunningGateway } from '../client/running-gateway.ts';
import { defineCommand } from '../command.ts';
import { dataOption, jsonOption } from '../common-options.ts';
import { ago } from '../terminal/span.ts';
import { renderTable } from '../terminal/table.ts';

/** Revoked keys stay in the list: what was used with them is on the books. */
export const keysList = defineCommand({
  name: 'keys list',
  summary: 'Lists the API keys by id, with their rights and what was used with them.',
  usage: 'labctl keys list [--data DIR] [--json]',
  examples: ['labctl keys list'],
  options: { ...dataOption, ...jsonOption },
  positionalsMax: 0,
  async run({ values, world }) {
    await using gateway = new RunningGateway(values.data, world.env);
    const found = await gateway.ask('GET', '/keys', keyListSchema);
    if (values.json) return world.stdout(`${JSON.stringify(found)}\n`);
    const now = Date.now();
    const rows = found.keys.map((key) => [
      key.id,
      key.name,
      key.tenant,
      key.verification ?? '-',
      priorityOfScopes(key.scopes) ?? '-',
      key.variations ?? '-',
      key.revokedAt === undefined ? 'active' : `revoked ${ago(key.revokedAt, now)}`,
      ago(key.createdAt, now),
      ago(key.lastUsedAt, now),
      key.requests,
      key.promptTokens,
      key.completionTokens,
    ]);
    const headings = [
      'ID',
      'NAME',
      'TENANT',
      'VERIFICATION',
      'PRIORITY',
      'VARIATIONS',
      'STATE',
      'CREATED',
      'LAST USED',
      'REQUESTS',
      'TOKENS IN',
      'TOKENS OUT',
    ];
    world.stdout(
      renderTable(headings, rows, { columns: world.columns }) || 'no keys; make one with labctl keys create\n',
    );
  },
});
