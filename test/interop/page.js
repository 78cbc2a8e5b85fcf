// The program of a page: PouchDB of the parts that a browser needs, and one device on it, which a
// test outside drives (`browser-device.ts`).
import adapterHttp from 'pouchdb-adapter-http';
import adapterIdb from 'pouchdb-adapter-idb';
import PouchDB from 'pouchdb-core';
import replication from 'pouchdb-replication';
import { PouchDevice } from './device.ts';

const pouch = PouchDB.plugin(adapterIdb).plugin(adapterHttp).plugin(replication);
let device;

globalThis.openDevice = (options) => {
  device = new PouchDevice(pouch, 'idb', options);
};

/** Errors go out as data: of what is thrown, only a text would leave the page. */
globalThis.askDevice = async (method, args) => {
  try {
    return { value: await device[method](...args) };
  } catch (cause) {
    const { message, ...fields } = cause;
    return { error: JSON.parse(JSON.stringify({ ...fields, message: message ?? String(cause) })) };
  }
};
