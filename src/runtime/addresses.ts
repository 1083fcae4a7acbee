import { z } from 'zod'

const PORT_MAX = 65_535
const AMQP_URL = /^amqps?:\/\/[^\s/?#]+$/
const HOST_AND_PORT = /^\S+:(\d{1,5})$/

/** `amqp://host:port` or `amqps://host:port`, without a name or password in it. */
export const amqpUrl = z
  .string()
  .regex(AMQP_URL, 'is not an AMQP address: write amqp://host:port or amqps://host:port')
  .refine(url => !url.includes('@'), 'has a name or password in it: write them under `sasl`, the password in a file')
  .refine(url => !AMQP_URL.test(url) || URL.canParse(url), `has no host, or no port up to ${PORT_MAX}`)

/** `host:port`. */
export const hostAndPort = z
  .string()
  .regex(HOST_AND_PORT, 'is not an address: write host:port')
  .refine(text => !(Number(HOST_AND_PORT.exec(text)?.[1]) > PORT_MAX), `has no port up to ${PORT_MAX}`)
