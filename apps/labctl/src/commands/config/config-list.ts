import { configKeyNames } from '../../config/config-keys.ts';
import { defineFleetCommand } from '../../fleet-command.ts';
import type { Column, View } from '../../output/column.ts';

type Row = { key: string; value: string | null; origin: string };

const columns: readonly Column<Row>[] = [
  { header: 'KEY', value: ({ key }) => key },
  { header: 'VALUE', value: ({ value }) => value ?? undefined },
  { header: 'ORIGIN', value: ({ origin }) => origin },
];
const view: View<Row> = { columns, name: ({ key }) => key };

export const configList = defineFleetCommand({
  name: 'config list',
  summary: 'Shows every setting as it holds now, and where its value comes from: flag, environment, context or file.',
  usage: 'labctl config list [--context NAME] [-o FORM]',
  examples: ['labctl config list', 'labctl config list --context prod -o json'],
  options: {},
  positionalsMax: 0,
  async run({ settings, result }) {
    const items = configKeyNames.map((key) => {
      const { value, origin } = settings.setting(key);
      return { key, value: value ?? null, origin };
    });
    await result.list({ items, nextCursor: null }, view);
  },
});
