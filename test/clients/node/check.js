// What the Node suites share: named steps, and the address to test.
// A step that fails, or does not end in 30 s, ends the suite with exit status 1.
'use strict'
const assert = require('node:assert/strict')

function address() {
  if (process.argv.length !== 3) {
    console.error(`usage: node ${process.argv[1]} HOST:PORT`)
    process.exit(2)
  }
  const [host, port] = process.argv[2].split(':')
  return { host, port: Number(port) }
}

function fail(name, error) {
  console.log(`not ok - ${name}: ${error.stack}`)
  process.exit(1)
}

async function step(name, run) {
  const limit = setTimeout(() => fail(name, new Error('no end after 30 s')), 30_000)
  try {
    await run()
  } catch (error) {
    fail(name, error)
  }
  clearTimeout(limit)
  console.log(`ok - ${name}`)
}

async function seconds(run) {
  const since = performance.now()
  await run()
  return (performance.now() - since) / 1000
}

// yaml reads the flat mapping of a stats reply.
function yaml(text) {
  const pairs = text.split('\n').filter(line => line.includes(': ')).map(line => line.split(': '))
  return Object.fromEntries(pairs.map(([key, value]) => [key, value.replace(/^"(.*)"$/, '$1')]))
}

function list(text) {
  return text.split('\n').filter(line => line.startsWith('- ')).map(line => line.slice(2).replace(/^"(.*)"$/, '$1'))
}

// binary is every byte value, line ends included.
const binary = Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, i) => i)), Buffer.from('\r\n\r\nput 0 0 1 1\r\nx\r\n')])

module.exports = { assert, address, step, seconds, yaml, list, binary }
