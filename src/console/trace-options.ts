import { z } from 'zod'

/** `traces:` of core.yaml and edge.yaml. */
export const traceOptions = z.strictObject({
  otlp: z
    .url({ protocol: /^https?$/ })
    .describe('Where spans go, by OTLP over HTTP in JSON, such as http://127.0.0.1:4318/v1/traces.'),
  rate: z
    .number()
    .gt(0)
    .max(1)
    .default(0.001)
    .describe(
      'The share of records that is followed. The same at gateway and core, or the one a whole multiple of the other: then they follow the same ones.',
    ),
})
export type TraceOptions = z.output<typeof traceOptions>
