import { z } from 'zod'

const AMQP_URL = /^amqps?:\/\/[^\s/?#]+$/

const amqpUrl = z.string().regex(AMQP_URL, 'is not an AMQP address: write amqp://host:port or amqps://host:port')

const tlsFiles = z.strictObject({
  cert: z.string().min(1).optional().describe("File of the gateway's own certificate, PEM: its name is the gateway's."),
  key: z.string().min(1).optional().describe('File of the key that belongs to `cert`, PEM.'),
  ca: z.string().min(1).optional().describe("File of the authorities that may have signed the core's certificate, PEM."),
})

const sasl = z.strictObject({
  username: z.string().min(1).describe('Its name at the router or broker.'),
  password_file: z.string().min(1).describe('File whose first line is the password.'),
})

/** `uplink:` in edge.yaml. */
export const uplinkOptions = z
  .strictObject({
    url: amqpUrl.optional().describe('Where the core, the router or the broker listens.'),
    urls: z.array(amqpUrl).min(1).max(16).optional().describe('Several of them, tried in turn.'),
    tls: tlsFiles.optional().describe('Certificates, for amqps.'),
    sasl: sasl.optional().describe('Logs in with SASL PLAIN, at a router or broker.'),
    mode: z
      .enum(['direct', 'router', 'broker'])
      .default('direct')
      .describe('What is at the other end: the core itself, an AMQP router, or a broker that stores and forwards.'),
  })
  .refine(options => (options.url === undefined) !== (options.urls === undefined), 'needs either `url` or `urls`')
export type UplinkOptions = z.output<typeof uplinkOptions>

/** The addresses to try, in turn. */
export function uplinkUrls(options: UplinkOptions): readonly string[] {
  return options.urls ?? (options.url === undefined ? [] : [options.url])
}
