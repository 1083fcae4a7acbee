import { z } from 'zod'
import { CONNECTIONS_MAX } from '../amqp/limits.ts'
import { amqpUrl } from '../runtime/addresses.ts'
import { size } from '../runtime/units.ts'

const tlsFiles = z.strictObject({
  cert: z.string().min(1).optional().describe("File of the core's certificate, PEM."),
  key: z.string().min(1).optional().describe('File of the key that belongs to `cert`, PEM.'),
  ca: z
    .string()
    .min(1)
    .optional()
    .describe('File of the authorities that sign gateways, PEM. With it a gateway has to show a certificate of its own name.'),
})

const sasl = z.strictObject({
  username: z.string().min(1).describe('Its name at the router or broker.'),
  password_file: z.string().min(1).describe('File whose first line is the password.'),
})

/** `ingress:` in core.yaml. */
export const ingressOptions = z
  .strictObject({
    listen: amqpUrl.optional().describe('Where gateways connect directly, such as amqp://127.0.0.1:5672.'),
    connections_max: z
      .int()
      .min(1)
      .max(60_000)
      .default(CONNECTIONS_MAX)
      .describe(
        'Of `listen`: connections at once; more are closed, with a line in the log. A gateway has one, and takes about 200 KiB of memory; the process needs a file handle for each.',
      ),
    connect: z
      .union([amqpUrl, z.array(amqpUrl).min(1).max(16)])
      .optional()
      .describe('The router or broker through which gateways come; several of them are all connected to.'),
    mode: z
      .enum(['router', 'broker'])
      .default('router')
      .describe('What `connect` names: AMQP routers, or brokers that store and forward.'),
    sasl: sasl.optional().describe('Logs in with SASL PLAIN, at a router or broker.'),
    parking: size({ min: '1MiB', max: '64GiB' })
      .default(256 * 2 ** 20)
      .describe('Brokers only: how much may be kept in `state` of what waits for missing numbers before it.'),
    tls: tlsFiles.optional().describe('Certificates, for amqps.'),
  })
  .refine(options => (options.listen === undefined) !== (options.connect === undefined), 'needs either `listen` or `connect`')

/** The addresses that an ingress connects to. */
export function connectUrls({ connect }: IngressOptions): readonly string[] {
  return typeof connect === 'string' ? [connect] : (connect ?? [])
}
export type IngressOptions = z.output<typeof ingressOptions>
