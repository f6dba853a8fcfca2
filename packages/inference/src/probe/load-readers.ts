import { asArray, asCount, asObject } from './read-json.ts';
import type { GaugeReading } from './kind.ts';

/** vLLM's `/load` (with --enable-server-load-tracking): one number, running and waiting together. */
export function vllmLoad(json: unknown): GaugeReading | undefined {
  const running = asCount(asObject(json)?.['server_load']);
  return running === undefined ? undefined : { running };
}

/** SGLang's `/v1/loads`: one entry a data-parallel rank. */
export function sglangLoads(json: unknown): GaugeReading | undefined {
  const loads = asArray(asObject(json)?.['loads'])?.map(asObject);
  if (loads === undefined || loads.length === 0) return undefined;
  let running = 0;
  let waiting = 0;
  let kv = 0;
  for (const load of loads) {
    running += asCount(load?.['num_running_reqs']) ?? 0;
    waiting += asCount(load?.['num_waiting_reqs']) ?? 0;
    kv += Math.min(1, asCount(load?.['token_usage']) ?? 0);
  }
  return { running, waiting, kv: kv / loads.length };
}

/** llama.cpp's `/slots`: one entry a slot. The share of busy ones stands for the KV cache. */
export function llamacppSlots(json: unknown): GaugeReading | undefined {
  const slots = asArray(json)?.map(asObject);
  if (slots === undefined || slots.length === 0) return undefined;
  const busy = slots.filter((slot) => slot?.['is_processing'] === true).length;
  return { running: busy, kv: busy / slots.length };
}
