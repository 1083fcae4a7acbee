import { z } from 'zod'
import { edgeBufferOptions } from '../buffer/options.ts'
import { consoleOptions } from '../console/options.ts'
import { traceOptions } from '../console/trace-options.ts'
import { uplinkOptions } from '../link/options.ts'
import { STREAM_GATEWAY } from '../runtime/names.ts'
import { name } from './pipeline.ts'

/** edge.yaml: the agent on a gateway. */
export const edgeSchema = z.strictObject({
  gateway: name
    .refine(gateway => gateway !== STREAM_GATEWAY, 'is kept for derived streams: take another name')
    .describe('Name of this gateway; no two may have the same.'),
  state: z.string().min(1).describe('Directory for all that it keeps.'),
  uplink: uplinkOptions.describe('Where the core is.'),
  hardware: z
    .string()
    .min(1)
    .optional()
    .describe(
      'What this gateway is: a profile of hardware/gateways/. Pipelines that say no `durability` have the one that suits its storage.',
    ),
  buffer: edgeBufferOptions.prefault({}).describe('The buffer on disk.'),
  console: consoleOptions.optional().describe('A web console of this gateway.'),
  traces: traceOptions.optional().describe('Follows some records from device to reader, for OpenTelemetry.'),
  pipelines: z.array(z.string().min(1)).min(1).describe('Pipeline files, as paths or globs.'),
})
export type EdgeConfig = z.output<typeof edgeSchema>
