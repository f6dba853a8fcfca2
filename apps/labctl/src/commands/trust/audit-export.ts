import { defineFleetCommand } from '../../fleet-command.ts';
import { parseInstant } from '../../grammar/instant.ts';

/** AU-7: rows as lines of JSON in the form in which they were hashed, so that they can be checked elsewhere. */
export const auditExport = defineFleetCommand({
  name: 'audit export',
  summary:
    'Writes audit rows as lines of JSON, oldest first, each as it is chained, to stdout: for archives and other tools.',
  usage: 'labctl audit export [--since TIME]',
  examples: [
    'labctl audit export --since 7d > audit.jsonl',
    'labctl audit export --since 1d | jq \'select(.result=="denied")\'',
  ],
  options: {
    since: { type: 'string', flag: 'since', placeholder: 'TIME', help: 'from then on: 7d, or 2026-01-01T12:00:00Z' },
  },
  positionalsMax: 0,
  async run({ values, labd, world, note }) {
    const reading = { flag: '--since', spans: 'ago', now: world.clock.wall() } as const;
    const query = values.since === undefined ? {} : { since: parseInstant(values.since, reading) };
    const bytes = await (await labd()).stream('export-audit', { query });
    const decoder = new TextDecoder();
    let rows = 0;
    for await (const part of bytes) {
      const text = decoder.decode(part, { stream: true });
      rows += text.split('\n').length - 1;
      world.stdout(text);
    }
    world.stdout(decoder.decode());
    note(`${rows} rows`);
  },
});
