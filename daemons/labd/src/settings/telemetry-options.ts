import { defineOptions } from '@labmesh/kit/options';

/** `[telemetry]`: the collector that the agents' logs go on to (AG-7). */
export const telemetryOptions = defineOptions({
  otlpUrl: {
    type: 'string',
    file: 'telemetry.otlp_url',
    help: 'OTLP/HTTP collector for logs that agents ship, such as http://127.0.0.1:4318; without it they ship none',
  },
  otlpHeadersFile: {
    type: 'string',
    file: 'telemetry.otlp_headers_file',
    help: 'file with headers for the collector, a line each: Authorization: Bearer …',
  },
  otlpCaFile: {
    type: 'string',
    file: 'telemetry.otlp_ca_file',
    help: 'CA of the collector, PEM; else those of the system',
  },
});
