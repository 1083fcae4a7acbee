import { z } from 'zod'
import { caOptions } from '../ca/options.ts'
import { consoleOptions } from '../console/options.ts'
import { traceOptions } from '../console/trace-options.ts'
import { ingressOptions } from '../ingress/options.ts'
import { quotaOptions } from '../ingress/quota-options.ts'
import { logOptions } from '../log/options.ts'
import { name } from './pipeline.ts'

/** core.yaml: ingress, batch jobs and analysers. */
export const coreSchema = z.strictObject({
  name: name
    .default('core')
    .describe('Name of this core, under which it writes alerts and dead letters. Cores that share a log have different names.'),
  state: z.string().min(1).describe('Directory for all that it keeps.'),
  log: logOptions.describe('Where records are laid down.'),
  ingress: ingressOptions.optional().describe('Where gateways come in; without it, this core takes none.'),
  ca: caOptions
    .optional()
    .describe(
      'The authority that `headrace ca init` made: gateways enrol here, and with `amqps` they have to show its certificates. In the place of `ingress.tls`.',
    ),
  quotas: quotaOptions
    .optional()
    .describe('What a gateway may send and have. It is held back by credit, and buffers meanwhile: nothing is dropped.'),
  console: consoleOptions.optional().describe('The web console and its API.'),
  traces: traceOptions.optional().describe('Follows some records from device to reader, for OpenTelemetry.'),
  batch: z.boolean().default(true).describe('Whether this core runs the batch jobs of its pipelines.'),
  analysers: z.boolean().default(true).describe('Whether this core runs the analysers of its pipelines.'),
  pipelines: z.array(z.string().min(1)).default([]).describe('Pipeline files, as paths or globs.'),
})
export type CoreConfig = z.output<typeof coreSchema>
