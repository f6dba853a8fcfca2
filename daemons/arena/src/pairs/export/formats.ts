/** Every format of an export (PD4): how a pair becomes a line, and what a trainer has to be told of the file. */
import type { ExportFormat, Triplet } from '@labmesh/wire/verification/preference';
import { hfChatRow, jsonlText, openaiLegacyRow, openaiRow } from './chat-formats.ts';
import { refuseControlTokens } from './control-tokens.ts';
import { alpacaInfo, alpacaRow, sharegptInfo, sharegptRow } from './llamafactory.ts';
import { hfChatColumns, hfColumns, type ParquetColumns } from './parquet-columns.ts';
import { chainRow, dpoRow, hfRow, slimeRow } from './text-formats.ts';

export type Format = {
  /** One line of JSON, without its end. @throws RowRefused */
  line: (triplet: Triplet) => string;
  /** The entry of dataset_info.json; null for formats of other trainers. */
  info: ((fileName: string) => Record<string, unknown>) | null;
  /** Its rows go into Parquet files, with these columns; absent: into JSON lines. */
  parquet?: ParquetColumns;
};

const plain = (row: (triplet: Triplet) => object): Format => ({
  line: (triplet) => {
    refuseControlTokens(triplet);
    return JSON.stringify(row(triplet));
  },
  info: null,
});

export const formats: Readonly<Record<ExportFormat, Format>> = {
  jsonl: { line: jsonlText, info: null },
  dpo: plain(dpoRow),
  hf: plain(hfRow),
  hf_parquet: { ...plain(hfRow), parquet: hfColumns },
  hf_chat: plain(hfChatRow),
  hf_chat_parquet: { ...plain(hfChatRow), parquet: hfChatColumns },
  openai: plain(openaiRow),
  openai_legacy: plain(openaiLegacyRow),
  slime: plain(slimeRow),
  llamafactory_alpaca: { ...plain(alpacaRow), info: alpacaInfo },
  llamafactory_sharegpt: { ...plain(sharegptRow), info: sharegptInfo },
  chains: plain(chainRow),
};
