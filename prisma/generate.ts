console.log('generate: none yet');
