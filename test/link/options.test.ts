import { describe, expect, test } from 'vitest'
import { ingressOptions } from '../../src/ingress/options.ts'
import { uplinkOptions, uplinkUrls } from '../../src/link/options.ts'

describe('uplink', () => {
  test('is direct unless said otherwise', () => {
    expect(uplinkOptions.parse({ url: 'amqp://core:5672' })).toEqual({ url: 'amqp://core:5672', mode: 'direct' })
  })

  test('takes one address or several, not both and not none', () => {
    expect(uplinkUrls(uplinkOptions.parse({ urls: ['amqp://a:1', 'amqps://b:2'] }))).toEqual(['amqp://a:1', 'amqps://b:2'])
    expect(uplinkOptions.safeParse({}).success).toBe(false)
    expect(uplinkOptions.safeParse({ url: 'amqp://a:1', urls: ['amqp://b:2'] }).success).toBe(false)
  })

  test.each(['core:5672', 'http://core', 'amqp://', 'amqp://core/queue', 'amqp://core:99999', 'amqps://[::1'])(
    'refuses the address %s',
    url => {
      expect(uplinkOptions.safeParse({ url }).success).toBe(false)
    },
  )
})

describe('ingress', () => {
  test('listens or connects', () => {
    expect(ingressOptions.safeParse({ listen: 'amqp://127.0.0.1:5672' }).success).toBe(true)
    expect(ingressOptions.safeParse({ connect: 'amqps://router:5671' }).success).toBe(true)
    expect(ingressOptions.safeParse({}).success).toBe(false)
    expect(ingressOptions.safeParse({ listen: 'amqp://a:1', connect: 'amqp://b:2' }).success).toBe(false)
    // It was a stack trace where the core listened.
    expect(ingressOptions.safeParse({ listen: 'amqp://127.0.0.1:99999' }).success).toBe(false)
    expect(ingressOptions.safeParse({ listen: 'amqp://a:1', lisen: 1 }).success).toBe(false)
  })
})
