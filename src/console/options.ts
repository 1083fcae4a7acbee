import { z } from 'zod'
import { hostAndPort } from '../runtime/addresses.ts'

const LOOPBACK = /^(127(\.\d{1,3}){3}|localhost|\[::1\]|::1)$/

/** The host part of `host:port`. */
export function hostOf(listen: string): string {
  return listen.slice(0, listen.lastIndexOf(':'))
}

/** The port of `host:port`. */
export function portOf(listen: string): number {
  return Number(listen.slice(listen.lastIndexOf(':') + 1))
}

export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}

/** `console:` of core.yaml and edge.yaml. */
export const consoleOptions = z
  .strictObject({
    listen: hostAndPort.describe(
      'Where the web console, its API, status and health are served. Off this machine only with `tls` and `users`.',
    ),
    shows: z
      .enum(['all', 'health'])
      .default('all')
      .describe('`health`: nothing but /health and /metrics, for probes and Prometheus; that may be reached from anywhere.'),
    tls: z
      .strictObject({
        cert: z.string().min(1).describe('Certificate file, PEM.'),
        key: z.string().min(1).describe('Key file, PEM.'),
      })
      .optional()
      .describe('Serves HTTPS. What is renewed in the files is shown from then on.'),
    users: z
      .string()
      .min(1)
      .optional()
      .describe(
        'File of those who may log in, made by `headrace console add-user`. Without it everybody on this machine may look and act.',
      ),
    hosts: z
      .array(z.string().min(1))
      .default([])
      .describe('Further names under which browsers reach it; others are refused (DNS rebinding).'),
  })
  .superRefine(({ listen, shows, tls, users }, context) => {
    if (!listen.includes(':') || isLoopback(hostOf(listen)) || shows === 'health' || (tls && users !== undefined)) return
    const message = `${listen} can be reached from other machines: that needs \`tls\` and \`users\``
    context.addIssue({ code: 'custom', path: ['listen'], message })
  })
export type ConsoleOptions = z.output<typeof consoleOptions>
