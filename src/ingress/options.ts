import { z } from 'zod'

const AMQP_URL = /^amqps?:\/\/[^\s/?#]+$/

const amqpUrl = z.string().regex(AMQP_URL, 'is not an AMQP address: write amqp://host:port or amqps://host:port')

const tlsFiles = z.strictObject({
  cert: z.string().min(1).optional().describe("File of the core's certificate, PEM."),
  key: z.string().min(1).optional().describe('File of the key that belongs to `cert`, PEM.'),
  ca: z
    .string()
    .min(1)
    .optional()
    .describe('File of the authorities that sign gateways, PEM. With it a gateway has to show a certificate of its own name.'),
})

/** `ingress:` in core.yaml. */
export const ingressOptions = z
  .strictObject({
    listen: amqpUrl.optional().describe('Where gateways connect directly, such as amqp://127.0.0.1:5672.'),
    connect: amqpUrl.optional().describe('The router or broker through which gateways come.'),
    tls: tlsFiles.optional().describe('Certificates, for amqps.'),
  })
  .refine(options => (options.listen === undefined) !== (options.connect === undefined), 'needs either `listen` or `connect`')
export type IngressOptions = z.output<typeof ingressOptions>
