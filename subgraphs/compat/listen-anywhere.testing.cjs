// Preloaded into the suite's own subgraphs, whose ports are fixed: they listen on any free one and tell their parent.
const { Server } = require('node:net');

const { listen } = Server.prototype;
Server.prototype.listen = function listenAnywhere(...args) {
  this.once('listening', () => process.send?.({ port: this.address().port }));
  const callback = args.findLast((one) => typeof one === 'function');
  return listen.call(this, 0, '127.0.0.1', callback);
};
