import { exportFormats } from '@labmesh/wire/verification/preference';
import { apiOptions, findApi } from '../../client/api-access.ts';
import { ArenaClient } from '../../client/arena-client.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { readDatasetRef } from '../../datasets/dataset-ref.ts';
import { ExportFolder } from '../../datasets/export-folder.ts';
import { receiveExport } from '../../datasets/receive-export.ts';

/**
 * PD4, PD5. The arena writes rows, this writes files: it sees to count and checksums before the folder takes its name. Exit
 * codes: 4 without the tenant's consent, 8 when the folder is there already or the version is tainted.
 */
export const datasetsExport = defineCommand({
  name: 'datasets export',
  summary:
    'Writes a version of preference data into a new folder: train and test files, a manifest with counts and SHA-256, and ' +
    'dataset_info.json for LLaMA-Factory. The tenant must have opted into training. Rows that the format cannot hold are ' +
    'left out and counted by reason.',
  usage: 'labctl datasets export NAME[@NUMBER]|ID --format FORMAT [--out DIR] [--json]',
  examples: [
    'labctl datasets export code --format llamafactory_sharegpt --out data/code',
    'labctl datasets export code@3 --format jsonl',
    'labctl datasets export code --format hf_chat_parquet',
  ],
  options: {
    format: {
      type: 'string',
      flag: 'format',
      short: 'f',
      choices: exportFormats,
      default: 'jsonl',
      placeholder: 'FORMAT',
      help: 'what the rows look like; default jsonl, whole pairs as they are kept',
    },
    out: {
      type: 'string',
      flag: 'out',
      short: 'o',
      placeholder: 'DIR',
      help: 'a folder that is not there yet; default NAME-vNUMBER-FORMAT',
    },
    ...apiOptions,
    ...jsonOption,
  },
  positionalsMax: 1,
  async run({ values, positionals, world }) {
    const ref = readDatasetRef(positionals[0]);
    await using arena = new ArenaClient(findApi(values, world), world);
    const path = `/api/arena/datasets/${ref}/export?format=${values.format}`;
    const body = await arena.stream({ method: 'GET', path });
    // Left before `finish`, by an error or a Ctrl-C, it takes away what it wrote.
    using folder = new ExportFolder(values.out, world.clock.wall());
    const end = await receiveExport(body, folder, world);
    const { folder: place, manifest } = folder.finish(end);
    if (values.json) return world.stdout(`${JSON.stringify({ folder: place, ...manifest })}\n`);
    // Counts on stderr, the place alone on stdout: cd "$(labctl datasets export …)".
    for (const { name, rows } of manifest.files) world.stderr(`${name}: ${rows} rows\n`);
    for (const [code, count] of Object.entries(manifest.refused)) {
      world.stderr(`left out, the format cannot hold them: ${count} ${code}\n`);
    }
    world.stdout(`${place}\n`);
  },
});
