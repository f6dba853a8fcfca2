import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import { thingsOf } from '../../grammar/name-things.ts';
import { parseLabels } from '../../grammar/parse-labels.ts';
import { serverView } from '../../output/server-views.ts';

const isLabel = (word: string) => word.includes('=') || (word.endsWith('-') && !word.includes('/'));
/** An empty value takes the field away. */
const field = (value: string | undefined) => (value === '' ? null : value);

/**
 * Labels are what selectors and access rules go by (RB-4); those that an agent reports (`facts.*`) cannot be set here.
 */
export const label = defineFleetCommand({
  name: 'label',
  summary:
    'Sets labels of servers (KEY=VALUE), takes them away (KEY-), and sets environment, cloud and role; an empty value ' +
    'takes those away. Access rules may depend on all of them.',
  usage: 'labctl label server/NAME… [KEY=VALUE | KEY-]… [--env E --cloud C --role R]',
  examples: [
    'labctl label server/web-1 team=search tier-',
    'labctl label server/web-1,web-2 --env production',
    "labctl label server/web-1 --role ''",
  ],
  options: {
    env: { type: 'string', flag: 'env', placeholder: 'NAME', help: 'environment' },
    cloud: { type: 'string', flag: 'cloud', placeholder: 'NAME', help: 'cloud' },
    role: { type: 'string', flag: 'role', placeholder: 'NAME', help: 'role' },
  },
  positionalsMax: 500,
  completes: [['server/']],
  async run({ values, positionals, change, labd, result }) {
    const words = positionals.filter((word) => !isLabel(word));
    const refs = thingsOf(words, { command: 'labctl label', types: ['server'], bare: 'server' });
    const labels = parseLabels(positionals.filter(isLabel));
    const [environment, cloud, role] = [field(values.env), field(values.cloud), field(values.role)];
    const body = {
      ...(Object.keys(labels).length > 0 && { labels }),
      ...(environment !== undefined && { environment }),
      ...(cloud !== undefined && { cloud }),
      ...(role !== undefined && { role }),
    };
    if (Object.keys(body).length === 0) {
      throw new CommandError('nothing to change', {
        hint: 'KEY=VALUE sets a label, KEY- takes it away; --env, --cloud and --role set those',
        exitCode: exitCodes.usage,
      });
    }
    const items = [];
    for (const { name } of refs) {
      const what = `change server/${name}: ${JSON.stringify(body)}`;
      const changed = await change(what, async () =>
        (await labd()).call('patch-server', { params: { id: name }, body }),
      );
      if (changed !== undefined) items.push(changed);
    }
    const [only] = items;
    if (items.length === 1 && only !== undefined) await result.one(only, serverView);
    else if (items.length > 1) await result.list({ items, nextCursor: null }, serverView);
  },
});
